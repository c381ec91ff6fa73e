"""Keeps the authorization tokens of Amazon ECR registries fresh wherever a container client looks for them."""

__version__ = "0.1.0"
