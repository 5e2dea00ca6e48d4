"""`/v1/images`."""

import base64
import time
import uuid
from typing import Annotated

import checks
from fastapi import APIRouter, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse
from generator import Work
from pydantic import BaseModel, ConfigDict

router = APIRouter(prefix="/v1/images")

_DEFAULT_STEPS = 50
_QUALITIES = (None, "auto", "exact", "lossless", "high", "extra-high")


class ImageRequest(BaseModel):
    model_config = ConfigDict(extra="allow")

    prompt: str
    model: str | None = None
    n: int | None = 1
    quality: str | None = "auto"
    response_format: str | None = "url"
    size: str | None = "1024x1024"
    background: str | None = "auto"
    output_format: str | None = None
    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: int | list[int] | None = None
    negative_prompt: str | None = None


class ImageData(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    file_path: str | None = None
    resize: str | None = None


class ImageResponse(BaseModel):
    id: str
    created: int
    data: list[ImageData]
    peak_memory_mb: float | None = None
    inference_time_s: float | None = None
    usage: dict | None = None


@router.post("/generations", response_model=ImageResponse)
async def generations(request: Request, body: ImageRequest) -> ImageResponse:
    return await _generate(request, body, None)


@router.post("/edits", response_model=ImageResponse)
async def edits(
    request: Request,
    prompt: Annotated[str, Form()],
    image: Annotated[list[UploadFile] | None, File()] = None,
    url: Annotated[list[str] | None, Form()] = None,
    model: Annotated[str | None, Form()] = None,
    n: Annotated[int | None, Form()] = 1,
    response_format: Annotated[str | None, Form()] = None,
    size: Annotated[str | None, Form()] = None,
    output_format: Annotated[str | None, Form()] = None,
    seed: Annotated[int | None, Form()] = None,
    negative_prompt: Annotated[str | None, Form()] = None,
    guidance_scale: Annotated[float | None, Form()] = None,
    num_inference_steps: Annotated[int | None, Form()] = None,
) -> ImageResponse:
    if not image and not url:
        raise HTTPException(422, "Field 'image' or 'url' is required")
    source = await image[0].read() if image else checks.data_url(url[0])
    body = ImageRequest(
        prompt=prompt,
        model=model,
        n=n,
        response_format=response_format or "b64_json",
        size=size,
        output_format=output_format,
        seed=seed,
        negative_prompt=negative_prompt,
        guidance_scale=guidance_scale,
        num_inference_steps=num_inference_steps,
    )
    return await _generate(request, body, source)


@router.get("/{image_id}/content")
async def content(request: Request, image_id: str, variant: str | None = None) -> FileResponse:
    paths = request.app.state.images.get(image_id)
    if paths is None:
        raise HTTPException(404, "Image not found")
    number = variant or "0"
    if not number.isdigit() or int(number) >= len(paths):
        raise HTTPException(404, f"Image variant {variant} not found")
    path = paths[int(number)]
    kind = {".png": "image/png", ".webp": "image/webp"}.get(path.suffix, "image/jpeg")
    return FileResponse(path, media_type=kind, filename=path.name)


async def _generate(request: Request, body: ImageRequest, source: bytes | None) -> ImageResponse:
    state, server = request.app.state, request.app.state.server
    kind = (body.response_format or "b64_json").lower()
    if kind not in ("url", "b64_json"):
        raise checks.bad_request(f"response_format={kind} is not supported")
    if kind == "url" and server.output_path is None:
        raise checks.bad_request("response_format='url' requires cloud storage to be configured.")
    if body.quality not in _QUALITIES:
        raise checks.bad_request(f"quality must be one of {list(_QUALITIES[2:])}, got {body.quality!r}")
    checks.task(server, source is not None, wants_image=True)
    checks.positive("num_inference_steps", body.num_inference_steps)
    work = Work(
        prompt=body.prompt,
        size=checks.size(body.size, body.width, body.height, (1024, 1024)),
        steps=body.num_inference_steps or _DEFAULT_STEPS,
        seed=checks.seed(body.seed),
        negative_prompt=body.negative_prompt or "",
        guidance_scale=checks.guidance(body.guidance_scale),
        source=source,
        count=max(1, min(body.n or 1, 10)),
        suffix=_suffix(body),
    )
    name, began = str(uuid.uuid4()), time.monotonic()
    pictures = await state.generator.images(work)

    paths = []
    if server.output_path is not None:
        paths = [server.output_path / f"{name}_{number}.{work.suffix}" for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            path.write_bytes(picture)
    state.images[name] = paths
    data = [
        ImageData(
            b64_json=base64.b64encode(picture).decode() if kind == "b64_json" else None,
            url=_url(name, number, len(pictures)) if kind == "url" else None,
            revised_prompt=body.prompt,
            file_path=str(paths[number]) if paths else None,
        )
        for number, picture in enumerate(pictures)
    ]
    taken = time.monotonic() - began
    return ImageResponse(id=name, created=int(time.time()), data=data, inference_time_s=taken)


def _suffix(body: ImageRequest) -> str:
    asked = (body.output_format or "").lower()
    if asked in ("png", "webp", "jpeg", "jpg"):
        return "jpg" if asked == "jpeg" else asked
    return "png" if body.background == "transparent" else "jpg"


def _url(name: str, number: int, count: int) -> str:
    url = f"/v1/images/{name}/content"
    return url if count == 1 else f"{url}?variant={number}"
