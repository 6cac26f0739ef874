"""The ceiling over gRPC: ONNX Runtime behind grpcio's server and one thread, no check, counter or error. It answers one row at
both doors, because servers are asked over HTTP whether they are ready and right. `grpc_server.py MODEL.onnx PORT GRPC`."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import onnxruntime

from kanarya_model.edges import open_inference_pb2 as pb

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
NAME, OUTPUTS = session.get_inputs()[0].name, [session.get_outputs()[0].name]


def labels(values, shape):
    return session.run(OUTPUTS, {NAME: np.array(values, np.float32).reshape(shape)})[0].tolist()


def infer(request, _):
    given = request.inputs[0]
    found = labels(given.contents.fp64_contents, list(given.shape))
    answer = pb.ModelInferResponse(model_name="iris")
    output = answer.outputs.add(name="label", datatype="BYTES", shape=[len(found)])
    output.contents.bytes_contents.extend(one.encode() for one in found)
    return answer


class Door(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"{}")

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"][0]
        found = labels(given["data"], given["shape"])
        output = {"name": "label", "datatype": "BYTES", "shape": [len(found)], "data": found}
        self.answer(json.dumps({"outputs": [output]}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(1))
    types = {
        "request_deserializer": pb.ModelInferRequest.FromString,
        "response_serializer": pb.ModelInferResponse.SerializeToString,
    }
    method = grpc.unary_unary_rpc_method_handler(infer, **types)
    handler = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": method})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{sys.argv[3]}")
    server.start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Door).serve_forever()
