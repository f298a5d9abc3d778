/** The vars and secrets of the deployment, all text. An empty one counts as unset, except for the token. */
export interface Vars {
  /** Secret: the bearer token of the control routes; unset leaves them open, empty closes them. */
  readonly CONTROL_TOKEN?: string;

  /** Secret: `ws://` or `wss://`, with user and password, or a token, in it if the server requires them. */
  readonly NATS_WS_URL?: string;
  /** Secret: the text of a credentials file. */
  readonly NATS_CREDS?: string;
  /** Secret: an nkey seed, `SU…`. */
  readonly NATS_NKEY_SEED?: string;
  /** Secret: a token. */
  readonly NATS_TOKEN?: string;

  /** Owner of agents whose start does not set one. */
  readonly OPEN_AGENT_OWNER?: string;
  /** `openrouter` (default) or `gateway`. */
  readonly OPEN_AGENT_PROVIDER?: string;
  readonly OPEN_AGENT_MODEL_ID?: string;
  /** Secrets of the providers. */
  readonly OPENROUTER_API_KEY?: string;
  readonly AI_GATEWAY_API_KEY?: string;
  /** Base URL of the provider, for a proxy or a test. */
  readonly OPENROUTER_BASE_URL?: string;
  readonly AI_GATEWAY_BASE_URL?: string;

  /** Agents that share one connection to the bus, 2 to 500; 1 for a separate connection each. */
  readonly AGENTS_PER_HUB?: string;

  /** Seconds without a prompt after which an agent stops itself; 0 for never. */
  readonly AGENT_IDLE_LIMIT_S?: string;
  /** Seconds that a caller has for the answer to a mid-stream query. */
  readonly AGENT_QUERY_LIMIT_S?: string;
  /** Seconds that one turn may take. */
  readonly AGENT_TURN_LIMIT_S?: string;
  /** Model calls that one turn may make. */
  readonly AGENT_STEP_LIMIT?: string;
  /** Earlier messages that a turn is given. */
  readonly AGENT_HISTORY_LIMIT?: string;
}
