"""What every adapter needs of the operating system, once. Knows nothing of AWS, docker or this program's data."""
