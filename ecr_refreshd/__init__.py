"""Keeps the authorization tokens of Amazon ECR registries fresh where container clients look for them."""

__version__ = "0.1.0"
