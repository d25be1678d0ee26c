"""``python -m csmoe_model``: the command ``csmoe``."""

if __name__ == "__main__":
    from minortom_cli.main import main_csmoe

    main_csmoe()
