"""MLServer with its sklearn runtime, run by .venv-mlserver's Python: `mlserver_server.py KIND PORT`.

Its `predict` is the runtime's own; only `load` differs, which would read a pickle. MLServer is given its best for one core: no
worker processes, no log of requests, no gRPC traffic.
"""

import asyncio
import sys

from estimators import fitted
from mlserver import MLServer, ModelSettings, Settings
from mlserver_sklearn import SKLearnModel


class Iris(SKLearnModel):
    async def load(self) -> bool:
        self._model = fitted(sys.argv[1])
        return True


async def serve(port: int) -> None:
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, parallel_workers=0, debug=False
    )
    server = MLServer(settings)
    await server.start([ModelSettings(name="iris", implementation=Iris, parameters={"version": "1"})])


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[2])))
