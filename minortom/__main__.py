"""``python -m minortom``: the command ``minortom``."""

if __name__ == "__main__":
    from minortom_cli.main import main

    main()
