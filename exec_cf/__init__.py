"""The Cloudflare Worker backend of the orch dispatcher."""
