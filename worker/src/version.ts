declare const __VERSION__: string;

/** The release that this bundle was built from, inserted by esbuild. */
export const VERSION: string = __VERSION__;
