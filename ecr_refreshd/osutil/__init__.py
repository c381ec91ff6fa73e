"""What every adapter needs of the system, once: whose files are, and the owner of what is made."""
