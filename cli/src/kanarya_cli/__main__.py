"""Entry point of `kanarya` and `python -m kanarya_cli`. The one place where errors become text and an exit status.

Exit status: 0 done · 1 what was asked for did not happen · 2 the input or the machine does not allow it, and why.
"""

import sys

from kanarya_contracts.problems import KanaryaError


def main() -> None:
    """Run the command line; print a person's errors without a traceback."""
    from kanarya_cli.app import app  # noqa: PLC0415 (a broken import is then reported as what it is)

    try:
        app()
    except KanaryaError as error:
        sys.stderr.write(f"kanarya: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
