"""Places for tokens: reading and losslessly rewriting the files that container clients read.

Rules of the room: a file that does not parse is never written; nobody's concurrent edit is lost through us.
"""
