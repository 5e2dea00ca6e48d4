"""What the server says about itself."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

router = APIRouter()


@router.get("/liveness")
async def liveness() -> dict:
    return {"status": "ok"}


@router.get("/health")
@router.get("/health_generate")
async def health(request: Request) -> JSONResponse:
    failure = request.app.state.generator.failure
    if failure:
        return JSONResponse({"status": "unhealthy", "error": failure}, 503)
    return JSONResponse({"status": "ok"})


@router.get("/server_info")
async def server_info(request: Request) -> dict:
    server = request.app.state.server
    names = ("model_path", "served_model_name", "tp_size", "dp_size")
    return {**{name: getattr(server, name) for name in names}, "version": "0.5.23 (procedural stand-in)"}


@router.get("/model_info")
async def model_info(request: Request) -> dict:
    server = request.app.state.server
    return {
        "model_path": server.model_path,
        "is_generation": True,
        "model_type": "diffusion",
        "architectures": ["ProceduralStandIn"],
        "has_image_understanding": server.takes_image,
        "has_audio_understanding": False,
        "task_type": server.task_type,
        "supported_task_types": [server.task_type],
        "output_types": ["IMAGE" if server.makes_images else "VIDEO"],
        "is_image_gen": server.makes_images,
    }


@router.get("/v1/models")
async def models(request: Request) -> dict:
    server = request.app.state.server
    card = {"id": server.served_model_name, "object": "model", "owned_by": "procedural stand-in"}
    card |= {"created": int(time.time()), "root": server.served_model_name, "task_type": server.task_type}
    return {"object": "list", "data": [card]}
