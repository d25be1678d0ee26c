"""Types of text that Arrow's kernels know in the place of those that they do not."""

import pyarrow as pa


def with_plain_types(table: pa.Table) -> pa.Table:
    """Return a table whose views (``string_view``, ``binary_view``) are plain text and bytes."""
    fields = [field.with_type(_plain(field.type)) for field in table.schema]
    schema = pa.schema(fields, table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _plain(kind.value_type), kind.ordered)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind
