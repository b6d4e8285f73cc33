"""Batch jobs: a plan of shards, each done exactly once, whatever breaks on the way."""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.shards.data_paths import DataPaths
    from fusion.shards.in_process import InProcessEngine
    from fusion.shards.job import embed_catalogue, plan_catalogue
    from fusion.shards.plan import read_plan
    from fusion.shards.predict_job import predict_catalogue
    from fusion.shards.predict_settings import PastSales, PredictSettings
    from fusion.shards.read import Embeddings, read_embeddings
    from fusion.shards.run import missing_shards, run_shard
    from fusion.shards.settings import JobSettings
    from fusion.shards.status import JobStatus, job_status
    from fusion.shards.verify import verify_job, why_not_compared

__all__ = [
    "DataPaths",
    "Embeddings",
    "InProcessEngine",
    "JobSettings",
    "JobStatus",
    "PastSales",
    "PredictSettings",
    "embed_catalogue",
    "job_status",
    "missing_shards",
    "plan_catalogue",
    "predict_catalogue",
    "read_embeddings",
    "read_plan",
    "run_shard",
    "verify_job",
    "why_not_compared",
]

__getattr__ = on_first_use(
    __name__,
    {
        "InProcessEngine": "in_process",
        "embed_catalogue": "job",
        "plan_catalogue": "job",
        "DataPaths": "data_paths",
        "read_plan": "plan",
        "predict_catalogue": "predict_job",
        "PastSales": "predict_settings",
        "PredictSettings": "predict_settings",
        "Embeddings": "read",
        "read_embeddings": "read",
        "missing_shards": "run",
        "run_shard": "run",
        "JobSettings": "settings",
        "JobStatus": "status",
        "job_status": "status",
        "verify_job": "verify",
        "why_not_compared": "verify",
    },
)
