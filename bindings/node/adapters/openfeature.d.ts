import type { JsonValue, OpenFeatureEventEmitter, Provider, ResolutionDetails } from '@openfeature/server-sdk';

import type { InspireAuth } from '../index.js';

/**
 * The license as an OpenFeature provider: entitlements and limits are flags. **Give `false` and `0` as defaults**: they
 * are what is answered when a flag is not known.
 *
 * | flag | type | value |
 * |---|---|---|
 * | an entitlement, such as `SSO_SAML` | boolean | whether it is granted; one that is not is `DISABLED`, no error |
 * | `limits.max_displays`: a limit in small letters | number | the limit; -1 is unlimited (metadata `unlimited`) |
 * | `license.status`, `license.mode`, `license.plan` | string | such as `active`, `offline`, the license's name |
 * | `license` | object | `auth.license.status()` |
 *
 * Reasons: `STATIC` (offline), `CACHED` (online), `DISABLED` (not granted, or the license is not active), `STALE` (the
 * licensing server was not reached for long), `DEFAULT` (no license, and so no mode and no plan). Metadata:
 * `licenseStatus`, and where there is a license `mode`, `expiresAt` (Unix seconds) and `version`, which changes when it
 * is validated or installed again. The evaluation context is not looked at.
 *
 * Events: `PROVIDER_CONFIGURATION_CHANGED` with `flagsChanged`, `PROVIDER_STALE`, `PROVIDER_ERROR` when the installed
 * file is corrupt or the store fails, `PROVIDER_READY` when that is over: within a second, whichever process changed the
 * license. Entitlements and limits are those of the moment; the metadata of what is granted is at most a second old. All
 * is answered from memory: no network, no promise that waits.
 *
 * Credits are not flags: consuming one needs an atomic yes or no.
 *
 * @example
 * await OpenFeature.setProviderAndWait(new LicenseProvider(auth)); // rejects when the installed file is corrupt
 * const client = OpenFeature.getClient();
 * if (await client.getBooleanValue('VIDEO_WALL_SYNC', false)) { ... }
 * const displays = await client.getNumberValue('limits.max_displays', 0);
 */
export class LicenseProvider implements Provider {
  /** `auth` is not closed by the provider. */
  constructor(auth: Pick<InspireAuth, 'license'>);
  readonly metadata: { readonly name: 'inspire-auth' };
  readonly runsOn: 'server';
  readonly events: OpenFeatureEventEmitter;
  /** Rejects when the installed license file is corrupt; a license that is absent or expired is no error. */
  initialize(): Promise<void>;
  onClose(): Promise<void>;
  resolveBooleanEvaluation(flagKey: string): Promise<ResolutionDetails<boolean>>;
  resolveStringEvaluation(flagKey: string, defaultValue: string): Promise<ResolutionDetails<string>>;
  resolveNumberEvaluation(flagKey: string): Promise<ResolutionDetails<number>>;
  resolveObjectEvaluation<T extends JsonValue>(flagKey: string): Promise<ResolutionDetails<T>>;
}
