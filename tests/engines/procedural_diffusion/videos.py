"""`/v1/videos`: jobs."""

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import checks
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse
from generator import Work
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile

router = APIRouter(prefix="/v1/videos")

_DEFAULT_STEPS = 50
_DEFAULT_SIZE = (832, 480)


class VideoRequest(BaseModel):
    model_config = ConfigDict(extra="allow")

    prompt: str
    model: str | None = None
    reference_url: str | None = None
    seconds: int | None = 4
    size: str | None = ""
    fps: int | None = None
    num_frames: int | None = None
    seed: int | list[int] | None = None
    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None


class VideoResponse(BaseModel):
    id: str
    object: str = "video"
    model: str
    status: str = "queued"
    progress: int = 0
    created_at: int
    size: str
    seconds: str
    quality: str = "standard"
    url: str | None = None
    urls: list[str | None] | None = None
    remixed_from_video_id: str | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    error: dict[str, Any] | None = None
    file_path: str | None = None
    file_paths: list[str | None] | None = None
    num_outputs: int | None = None
    peak_memory_mb: float | None = None
    inference_time_s: float | None = None
    revised_prompt: str | None = None


@router.post("", response_model=VideoResponse)
async def create(request: Request) -> VideoResponse:
    state, server = request.app.state, request.app.state.server
    body, source = await _read(request)
    checks.task(server, source is not None, wants_image=False)
    for name in ("num_frames", "num_inference_steps"):
        checks.positive(name, getattr(body, name))
    fps = 24 if body.fps is None else body.fps
    if fps <= 0:
        raise checks.bad_request(f"fps must be a positive int, got {fps}")
    frames = body.num_frames or fps * (4 if body.seconds is None else body.seconds)
    checks.positive("num_frames", frames)
    work = Work(
        prompt=body.prompt,
        size=checks.size(body.size, body.width, body.height, _DEFAULT_SIZE),
        steps=body.num_inference_steps or _DEFAULT_STEPS,
        seed=checks.seed(body.seed),
        negative_prompt=body.negative_prompt or "",
        guidance_scale=checks.guidance(body.guidance_scale),
        source=source,
        frames=frames,
        fps=fps,
    )
    job = VideoResponse(
        id=str(uuid.uuid4()),
        model=body.model or server.served_model_name,
        created_at=int(time.time()),
        size=f"{work.size[0]}x{work.size[1]}",
        seconds=str(round(frames / fps)),
    )
    state.videos[job.id] = job
    task = asyncio.create_task(_carry_out(request, job, work))
    state.running.add(task)
    task.add_done_callback(state.running.discard)
    return job.model_copy()


@router.get("")
async def list_jobs(request: Request, limit: int = 20) -> dict:
    jobs = list(reversed(request.app.state.videos.values()))
    return {"object": "list", "data": jobs[:limit], "has_more": len(jobs) > limit}


@router.get("/{job_id}", response_model=VideoResponse)
async def retrieve(request: Request, job_id: str) -> VideoResponse:
    return _find(request, job_id)


@router.delete("/{job_id}", response_model=VideoResponse)
async def forget(request: Request, job_id: str) -> VideoResponse:
    """Only forgets: what is being generated goes on."""
    job = _find(request, job_id)
    del request.app.state.videos[job_id]
    return job.model_copy(update={"status": "deleted"})


@router.get("/{job_id}/content")
async def content(request: Request, job_id: str) -> FileResponse:
    job = _find(request, job_id)
    if job.status not in ("completed", "failed"):
        raise HTTPException(404, "Generation is still in-progress")
    if not job.file_path or not Path(job.file_path).exists():
        raise HTTPException(404, "Video variant None not found")
    return FileResponse(job.file_path, media_type="video/mp4", filename=Path(job.file_path).name)


async def _carry_out(request: Request, job: VideoResponse, work: Work) -> None:
    state, began = request.app.state, time.monotonic()

    def on_step(step: int) -> None:
        job.status, job.progress = "in_progress", min(100 * step // work.steps, 99)

    work.on_step = on_step
    try:
        folder = state.server.output_path
        if folder is None:
            raise RuntimeError("Video output could not be published: no output_path is configured")
        path = folder / f"{job.id}.mp4"
        await state.generator.video(work, path)
    except Exception as error:
        job.status, job.error = "failed", {"message": str(error)}
        return
    job.inference_time_s = time.monotonic() - began
    job.completed_at, job.num_outputs = int(time.time()), 1
    job.file_path, job.file_paths = str(path), [str(path)]
    job.status, job.progress = "completed", 100


async def _read(request: Request) -> tuple[VideoRequest, bytes | None]:
    """The request, and the image to begin with."""
    source = None
    if "multipart/form-data" in request.headers.get("content-type", ""):
        fields = dict(await request.form())
        upload = fields.pop("input_reference", None)
        source = await upload.read() if isinstance(upload, UploadFile) else None
    else:
        try:
            fields = dict(await request.json())
        except (ValueError, TypeError):
            fields = {}
        if fields.get("input_reference"):
            raise checks.bad_request("input_reference names a file of the server's: the stand-in reads none")
    try:
        body = VideoRequest(**fields)
    except (ValidationError, TypeError) as error:
        raise checks.bad_request(f"Invalid request body: {error}") from None
    if source is None and body.reference_url:
        source = checks.data_url(body.reference_url)
    return body, source


def _find(request: Request, job_id: str) -> VideoResponse:
    job = request.app.state.videos.get(job_id)
    if job is None:
        raise HTTPException(404, "Video not found")
    return job
