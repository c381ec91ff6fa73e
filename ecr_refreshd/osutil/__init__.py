"""What every adapter needs of the operating system, once: owners of files, and Python processes of ours."""
