"""Where `llm-nas` and `python -m llm_nas` begin."""

import sys

from llm_nas.threads import limit_threads


def main() -> None:
    """Run the shell; exit code 2 for a bad request, 3 for a stopped run that can be resumed.

    Ctrl-C is one line from the first moment, while the shell is still being imported.
    """
    limit_threads()
    try:
        from llm_nas.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("llm-nas: interrupted\n")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
