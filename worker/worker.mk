# Targets of the Cloudflare Worker.
