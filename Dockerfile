# One image that answers at once: docker build -t recsys-app .
#   docker run -p 8000:8000 -e RECSYS_API_KEYS=<a key of 16 signs or more> recsys-app    asks for a key
#   docker run -p 127.0.0.1:8000:8000 -e RECSYS_OPEN=1 recsys-app                        answers everybody
#   ... --read-only --tmpfs /tmp -v recsys-state:/state -e RECSYS_STATE=/state recsys-app   and keeps what it learns
# compose.yaml says all of that for one machine.
# Without either, every request is refused but the health checks: seen from inside, none comes from loopback.
#
# Two stages, because training needs PyTorch and answering does not: the second stage is several times smaller,
# and has less in it that can be attacked.

# ---- Stage 1: train the small made world, so that the image can answer without any data ----------------------------
FROM python:3.11-slim AS train

# PyTorch's default Linux wheels carry CUDA, which nothing here uses. To save the download, name the index of its
# CPU wheels: docker build --build-arg PIP_EXTRA_INDEX_URL=<index> ... (pip reads the variable by itself).
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

WORKDIR /build

# Requirements first and alone: this slow layer is made again only when they change, not at each change of the code.
# The line `-e .` is left out, since the code is not there yet; it runs from the folder, uninstalled.
COPY requirements* ./
RUN grep -v '^-e' requirements.txt > third-party.txt && pip install -r third-party.txt

COPY enterprise_recsys enterprise_recsys
# One thread: whoever builds images often has less than two cores to itself, and threads that wait for each other crawl.
RUN python -m enterprise_recsys train --data world --set threads=1 --out /artifact \
    # Stage 2 reads it as another user, and must not write it.
    && chmod -R a+rX,go-w /artifact

# ---- Stage 2: answer -----------------------------------------------------------------------------------------------
FROM python:3.11-slim AS serve

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /srv

COPY app/requirements.txt app/requirements.txt
RUN pip install -r app/requirements.txt

# A fixed number, so that Kubernetes can check `runAsNonRoot`; no home, no shell, and it owns no file here but the folder
# for a volume: with RECSYS_STATE=/state events and answers outlive the container.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin recsys \
    && install -d -o recsys -g recsys -m 700 /state

COPY --from=train /artifact /artifact
COPY enterprise_recsys enterprise_recsys
COPY app app

# One thread per native library: a request is small, and threads that wait for each other cost more than they give.
# More throughput comes from more containers. Mount another artifact over /artifact to serve your own.
ENV RECSYS_ARTIFACT=/artifact OMP_NUM_THREADS=1

USER 10001:10001
EXPOSE 8000

# No curl in the slim image; the empty ProxyHandler keeps a proxy of the environment out of a call to ourselves.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8000/health/live', timeout=2)"]

# The exec form makes uvicorn process 1, so that it gets `docker stop`'s signal and finishes what it has begun.
# No access log: a path holds a user id. The other dials are those of `enterprise_recsys.service.app.serve`.
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--no-server-header", \
     "--no-proxy-headers", "--limit-concurrency", "1000", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"]
