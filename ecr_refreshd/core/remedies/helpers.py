"""Remedies for credential helpers and stores: PATH, links, locked or missing stores."""
