"""Front doors. Each turns its protocol into `core`'s words and back; none knows another.

served     what they serve, and threads for what takes long; shared by all
v2_rest    V2 (Open Inference Protocol) over HTTP: routes, inference, feedback, health, metrics; bare ASGI
v2_json    its documents: request bytes → tensors, prediction → response bytes
http       bodies and replies over ASGI
protocol   HTTP itself: uvicorn's, with a limit on headers and JSON errors
"""
