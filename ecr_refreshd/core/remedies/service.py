"""Remedies for the service itself: its settings, state folder, environment, unit and registries."""
