# Image of the ingest worker. `--target demo` adds the training code of examples/ and what it needs.
#
#     docker build --tag runstream .

FROM python:3.13.9-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY producer producer
COPY ingest ingest
COPY analytics analytics
COPY dashboards/runstream_dashboards dashboards/runstream_dashboards
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/runstream \
    && /opt/runstream/bin/pip install --no-cache-dir "$(ls /wheels/*.whl)[ingest]"

FROM build AS build-demo
RUN /opt/runstream/bin/pip install --no-cache-dir "$(ls /wheels/*.whl)[demo]"

# Everything is in /opt/runstream, so the root file system may be read-only. The user's number is fixed, for volumes
# and for policies that ask for a number.
FROM python:3.13.9-slim-bookworm AS base
RUN groupadd --gid 10001 runstream \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/runstream --no-create-home --shell /usr/sbin/nologin runstream \
    && install --directory --owner 10001 --group 10001 /var/lib/runstream
ENV PATH=/opt/runstream/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUNSTREAM_DIR=/var/lib/runstream
WORKDIR /var/lib/runstream
USER 10001:10001

FROM base AS demo
COPY --from=build-demo /opt/runstream /opt/runstream
COPY examples /opt/runstream/examples
ENTRYPOINT ["python", "/opt/runstream/examples/digits_sweep.py"]

FROM base AS worker
COPY --from=build /opt/runstream /opt/runstream
ENV RUNSTREAM_INGEST_METRICS_PORT=9108 \
    RUNSTREAM_INGEST_METRICS_HOST=0.0.0.0
EXPOSE 9108
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9108/healthz', timeout=4)"]
ENTRYPOINT ["runstream-ingest"]
CMD ["run"]
