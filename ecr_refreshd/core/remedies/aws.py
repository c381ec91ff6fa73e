"""Remedies for AWS credentials: sign-in, profiles, permissions, clock, proxies and certificates."""
