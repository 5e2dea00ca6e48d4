"""A procedural stand-in for SGLang's diffusion server. No model: the README says what it is."""

import arguments
import images
import reports
import uvicorn
import videos
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from generator import Generator


def application(server: arguments.Server) -> FastAPI:
    app = FastAPI()
    app.state.server = server
    app.state.generator = Generator(server)
    # Paths by image, jobs by id, and what keeps the jobs alive.
    app.state.images, app.state.videos, app.state.running = {}, {}, set()
    for part in (reports, images, videos):
        app.include_router(part.router)

    @app.middleware("http")
    async def refuse_without_generator(request: Request, call_next) -> Response:
        failure = app.state.generator.failure
        if request.method == "POST" and failure:
            return JSONResponse({"error": failure}, 503)
        return await call_next(request)

    return app


def main() -> None:
    server = arguments.parse()
    if server.output_path is not None:
        server.output_path.mkdir(parents=True, exist_ok=True)
    print(f"procedural stand-in, not a model: {server.task_type} at {server.host}:{server.port}", flush=True)
    uvicorn.run(application(server), host=server.host, port=server.port, log_level="warning")


if __name__ == "__main__":
    main()
