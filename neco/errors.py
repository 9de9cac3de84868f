"""Errors that a user can act on: printed as one line, never as a traceback."""


class UserError(Exception):
    """Something the user can mend: the message says what, where, and what to do."""
