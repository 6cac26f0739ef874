"""The controller's log: a line of JSON a record. Used by the image and by local mode."""

import json
import logging
import sys
from datetime import UTC, datetime


def begin(level: int | str = logging.INFO) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request otherwise


class JsonLines(logging.Formatter):
    """A record as a line of JSON; a message that is a JSON object lends its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message = record.getMessage()
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        try:
            said = json.loads(message)
        except ValueError:
            said = None
        fields |= said if isinstance(said, dict) else {"message": message}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)
