declare const __VERSION__: string;

/** The release this bundle was built from; esbuild puts it in. */
export const VERSION: string = __VERSION__;
