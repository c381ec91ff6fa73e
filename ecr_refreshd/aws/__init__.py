"""Asking AWS: the short-lived child that does it, its parent side, and what the AWS files say offline.

Rules of the room: boto3 is imported in the child only, never in the service.
"""
