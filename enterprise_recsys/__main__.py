"""`python -m enterprise_recsys` is the command line."""

from enterprise_recsys.cli import main

if __name__ == "__main__":
    main()
