"""The controller's log: a line of JSON a record. Used by the image and by local mode."""

import json
import logging
from datetime import UTC, datetime


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
