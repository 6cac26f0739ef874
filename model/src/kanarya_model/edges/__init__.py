"""Front doors. Each turns its protocol into `core`'s words and back; none knows another.

served                     what they serve, and threads for what takes long; shared by all
v2_rest                    V2 (Open Inference Protocol) over HTTP: routes, inference, feedback, health, metrics; bare ASGI
v2_request, v2_response    its bodies: JSON and bytes → tensors, prediction → JSON and bytes
http, compression          bodies and replies over ASGI
protocol                   HTTP itself: uvicorn's, with a limit on headers and JSON errors
"""
