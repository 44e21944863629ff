"""What segcritic raises when the user's input, not its own code, is at fault."""


class UserError(ValueError):
    """Bad input, told in one sentence: which file or setting, what is wrong with it, and what to do.

    The command line prints the sentence alone and leaves with exit code 2; the Python API raises it.
    """


class InputWarning(UserWarning):
    """Input that can be worked with, but in which there is nothing to find."""
