"""Bulk look-ups: a job of many numbers is queued, processed in steps, and completed or failed."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_FAILED: Final = 0.1  # more numbers are invalid than the job allows
_TOO_MANY_ERRORS: Final = 60607
_SIZES: Final = (10, 100, 1_000, 10_000)
_STEPS: Final = 2  # how often a job reports progress


def bulk_job(scene: Scene) -> Story:
    """A job from being queued to its result."""
    sid, total, created = scene.sid("JB"), scene.pick(_SIZES), scene.stamp_s
    about: dict[str, object] = {
        "job_sid": sid,
        "friendly_name": f"{scene.time:%B}".lower(),
        "description": f"Customers of {scene.time:%B}",
        "created_at": created,
        "thresholds": {"error": 10},
    }
    counts: dict[str, object] = {"total_count": total, "processed_count": 0, "success_count": 0, "error_count": 0}
    for status in ("queued", *["processing"] * _STEPS):
        data = {**about, "status": status, "result": dict(counts)}
        yield scene.event("com.twilio.lookup.bulk.job-status-changed", f"/v2/bulk/{sid}", data)
        scene.wait_about(5 + total / 100)
        counts["processed_count"] = counts["success_count"] = total * (1 if status == "queued" else 2) // _STEPS // 2
    if scene.happens(_P_FAILED):
        end = {"status": "failed", "twilio_error_code": _TOO_MANY_ERRORS, "result": {**counts, "error_count": 11}}
    else:
        wrong = scene.rng.randrange(min(10, total))
        done = {"total_count": total, "processed_count": total, "success_count": total - wrong, "error_count": wrong}
        end = {"status": "completed", "result": {**done, "file_url": f"https://results.example/{sid}.csv"}}
    data = {**about, **end, "completed_at": scene.stamp_s}
    yield scene.event("com.twilio.lookup.bulk.job-status-changed", f"/v2/bulk/{sid}", data)


PRODUCT: Final = SimulatedProduct("lookup", 1, {bulk_job: 1})
