"""Build of the documentation as a site, by MkDocs: see mkdocs.yml. It is not installed."""
