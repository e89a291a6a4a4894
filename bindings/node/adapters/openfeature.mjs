import openfeature from './openfeature.js';

export const { LicenseProvider } = openfeature;
