"""Labels that came back, or what became of a user of an A/B test, over HTTP. Called by `rest`, once a model.

A report names the version that predicted. If that one answers here, the report is held to its contract, else to that of the
model's default version. It changes what is counted, so it keeps to JSON, which a web page elsewhere cannot send without asking.
"""

import logging

import orjson

from kanarya_contracts.names import BUCKET_HEADER, SCORES_HEADER
from kanarya_model.core.feedback import labelled, read_feedback
from kanarya_model.core.goal import is_goal_report, read_goal
from kanarya_model.core.refusal import Refusal
from kanarya_model.core.versions import Family
from kanarya_model.edges.documents import read_document, refuse_repeats
from kanarya_model.edges.http import MIRRORED_TO, Headers, Receive, Reply, Scope, Send, check_json, read_body
from kanarya_model.edges.inference import Answer, Handler, Limits, refused
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import ClientLeft

log = logging.getLogger(__name__)

_BUCKET = BUCKET_HEADER.encode()
_SCORES = SCORES_HEADER.encode()


def handler(family: Family[Served], limits: Limits, send_back: Answer) -> Handler:
    """The route's handler, for every version of a model."""
    default = family.versions[family.default]

    async def feedback(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        mirrored_to = headers.get(MIRRORED_TO)
        asked = family.versions.get(mirrored_to.decode("latin-1"), default) if mirrored_to else default
        counts = asked.counting(mirrored_to)
        try:
            check_json(headers)
            body = await read_body(headers, receive, limits.body_bytes)
            document = read_document(body)
            refuse_repeats(body, document)
            counted = _count(document, headers, asked, family, limits, copy=counts is asked.copies)
        except Refusal as refusal:
            await send_back(send, refused(refusal, counts, None))
        except ClientLeft:
            log.debug("a client left before its feedback was complete")
        else:
            await send_back(send, Reply(status=200, body=orjson.dumps({"counted": counted})))

    return feedback


def _count(
    document: dict[str, object], headers: Headers, asked: Served, family: Family[Served], limits: Limits, *, copy: bool
) -> int:
    """How many were counted. Raises Refusal."""
    if is_goal_report(document):
        said = headers.get(_SCORES)
        scores = said.decode("latin-1") if said is not None else None
        outcome = read_goal(document, drawn=_BUCKET in headers, scores=scores)
        if not copy:
            asked.reports.became(outcome)
        return 1
    named = document.get("model_version")
    model = (family.versions.get(named, asked) if isinstance(named, str) else asked).model
    report = read_feedback(document, version=model.version, targets=model.contract.targets, most_rows=limits.rows)
    if copy:  # the champion's server counts the labels; here they meet what copies predicted
        asked.told(labelled(document) if report.version != asked.model.version else [])
    else:
        asked.reports.came_back(report)
    return report.rows
