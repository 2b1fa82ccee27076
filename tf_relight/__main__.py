"""`python -m tf_relight` is the `relight` command."""

from tf_relight.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
