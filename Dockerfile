# The worker for any Supabase project. Nothing listens: it only calls out over HTTPS.
FROM python:3.11-slim AS build
RUN python -m venv /opt/kizu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY models ./models
COPY worker ./worker
# Which extra brings the models' libraries, and for what torch is built (uv's --torch-backend).
ARG EXTRAS=cpu
ARG TORCH=cpu
RUN /opt/kizu/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt uv \
    && UV_TORCH_BACKEND=$TORCH /opt/kizu/bin/uv pip install --no-cache --python /opt/kizu/bin/python \
        -c constraints.txt ".[$EXTRAS]"

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Kizu Worker" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/kizu/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    KIZU_HOME=/var/lib/kizu
# A fixed number, so that the owner of a mounted folder can be set on the host.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/kizu --create-home --shell /usr/sbin/nologin kizu
COPY --from=build /opt/kizu /opt/kizu
USER 10001:10001
WORKDIR /var/lib/kizu
# Python answers SIGTERM by finishing its running jobs; give it GRACE_SECONDS and a little more.
STOPSIGNAL SIGTERM
# Asks the worker itself, not Supabase: a project that is down must not get its workers restarted.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["kizu", "health"]
ENTRYPOINT ["kizu"]
CMD ["worker"]
