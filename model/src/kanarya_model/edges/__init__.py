"""Front doors. Each turns its protocol into `core`'s words and back; none knows another.

served                     what they serve, and threads for what takes long; shared by all
rest                       the HTTP application: routes, health, feedback, metrics; bare ASGI
inference                  a request for inference over HTTP: limits, statuses, counts
v2_rest                    V2 (Open Inference Protocol): v2_request reads, v2_response writes
v2_grpc                    V2 over gRPC: service, health, reflection; v2_proto reads and writes, protoc made open_inference_pb2
v1_rest                    V1 (`:predict`)
fastapi, flask, kserve     for who has a service: a router and a blueprint round `rest`, a kserve.Model round `core`
logged, traced             the access log and spans, round both
openapi                    what HTTP takes and gives, as a document
http, documents, compression    bodies and replies over ASGI
protocol, cycle            HTTP itself: uvicorn's, with limits and JSON errors; from a request's last byte to its answer
"""
