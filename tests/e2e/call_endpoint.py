"""Calls an endpoint of Dynamo and prints what it answers: `call_endpoint.py ENDPOINT JSON`.

Runs in the frontend's environment, which has Dynamo's own client.
"""

import asyncio
import json
import os
import sys

from dynamo.runtime import DistributedRuntime


async def main(endpoint: str, body: str) -> None:
    loop = asyncio.get_running_loop()
    runtime = DistributedRuntime(loop, os.environ["DYN_DISCOVERY_BACKEND"], os.environ["DYN_REQUEST_PLANE"])
    client = await runtime.endpoint(endpoint).client()
    await client.wait_for_instances()
    async for chunk in await client.random(json.loads(body)):
        print(json.dumps(chunk.data()))
    runtime.shutdown()


asyncio.run(main(*sys.argv[1:]))
