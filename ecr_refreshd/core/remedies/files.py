"""Remedies for the docker and podman files: owners, modes, links, mounts, contents."""
