"""Names in what the model server writes down about single requests, once. Read by whoever reads logs, files and traces.

The access log has a line of JSON a request, the request log a Parquet file of rows, a trace the spans of a request. The three
call a request by the same id: the header `X-Request-Id` (over gRPC, metadata of that name), which gateways set.
"""

TIME = "time"
"""When the answer went out: RFC 3339 in the access log, a UTC timestamp in the request log."""

REQUEST_ID = "request_id"
"""`X-Request-Id`; in the access log one of the server's own where the client sent none, which the answer then carries."""

MODEL = "model"
"""The model's name, as in its metrics; null where the request found none."""

VERSION = "version"
"""The version, as in its metrics; null where the request found none."""

EDGE = "edge"
"""The door, as in the metrics; null for what is no inference."""

METHOD = "method"
"""HTTP's method, or gRPC's."""

PATH = "path"
"""The path, where the server has it; null otherwise, for it would be a client's text."""

COPY = "copy"
"""Whether it is a copy that a gateway made for this version, whose answer reached nobody."""

STATUS = "status"
"""HTTP's status, 499 where the client left before its answer; of a call by gRPC, the one that it is counted under."""

SECONDS = "seconds"
"""From the request's first byte to the last of the answer."""

BYTES_IN = "bytes_in"
"""Of the body, as its client announced it: compressed, if it was; null where it came in chunks, unannounced."""

BYTES_OUT = "bytes_out"
"""Of the answer's body."""

ID = "id"
"""V2's own `id`, which the client may choose; null where it sent none."""

ROW = "row"
"""The row's place in its request, from 0."""

INPUT = "input_"
"""Before the name of each of the contract's columns. What the contract calls personal is a keyed digest, or left out."""

OUTPUT = "output_"
"""Before the name of each of the contract's outputs; one with a value a class is a list, in the order of the classes."""

SPAN_MODEL = "kanarya.model"
"""Attribute of a span: the model's name."""

SPAN_VERSION = "kanarya.version"
"""Attribute of a span: the version."""

SPAN_EDGE = "kanarya.edge"
"""Attribute of a span: the door."""

SPAN_COPY = "kanarya.copy"
"""Attribute of a span: as `copy`."""

SPAN_ROWS = "kanarya.rows"
"""Attribute of a prediction's span: how many rows."""
