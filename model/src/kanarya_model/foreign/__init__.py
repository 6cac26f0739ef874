"""A contract for a model that was made elsewhere: its file and some rows in, an artifact that this server serves out.

    order = Order(file=Path("model.onnx"), rows=Path("rows.csv"), model="iris", targets={"species": None})
    write(order, Path("iris-1"))

Called by `kanarya contract`. What the file tells is read from it (columns, outputs, classes), what it cannot tell is asked for,
and what rows can show is measured on them: ranges, histograms, the example with this model's own answers. At the end the
artifact is loaded as the server loads it. Everything that is wrong is said at once, by InvalidInput.

    table       rows of a CSV                          description  what a model's file says about itself
    answers     outputs, targets and what rows show    writing      the artifact
"""

from kanarya_model.foreign.description import FORMATS
from kanarya_model.foreign.order import Order
from kanarya_model.foreign.writing import Written, write

__all__ = ["FORMATS", "Order", "Written", "write"]
