// The same objects as the CommonJS entry point's, under names.
import inspireAuth from './index.js';

export const {
  ABI_VERSION,
  CATALOGUE,
  ERRORS,
  InspireAuth,
  InspireAuthError,
  Keys,
  License,
  Principal,
  Requirement,
  SYSTEM,
  SigningKey,
  TrustedProxies,
  VERSION,
  backupStore,
  backupStoreSync,
  errors,
  explainMachine,
  inspect,
  machineIdentity,
  open,
  restoreStore,
  restoreStoreSync,
  sign,
} = inspireAuth;
export default inspireAuth;
