/* What the example gateways say about themselves at /openapi: an OpenAPI 3 document, with both spellings of a
 * credential as security schemes. Shared by the C and the C++ gateway. */
#ifndef EXAMPLE_OPENAPI_H
#define EXAMPLE_OPENAPI_H

#define OPENAPI_OPERATION(summary) \
    "{\"summary\":\"" summary "\",\"responses\":{\"200\":{\"description\":\"Granted\"}," \
    "\"400\":{\"$ref\":\"#/components/responses/Refused\"},\"401\":{\"$ref\":\"#/components/responses/Refused\"}," \
    "\"403\":{\"$ref\":\"#/components/responses/Refused\"},\"503\":{\"$ref\":\"#/components/responses/Refused\"}}}"

#define OPENAPI \
    "{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"Example gateway\",\"version\":\"1.0.0\"}," \
    "\"security\":[{\"bearer\":[]},{\"token\":[]}]," \
    "\"paths\":{" \
    "\"/data/api/v1/resources\":{\"get\":" OPENAPI_OPERATION("Needs Authenticated/Gateway/Read") "}," \
    "\"/data/api/v1/sync\":{\"post\":" OPENAPI_OPERATION("Needs Authenticated/Gateway/Write") "}," \
    "\"/data/api/v1/modes\":{\"get\":" OPENAPI_OPERATION("Needs Gateway/Read or Gateway/Write") "," \
    "\"put\":" OPENAPI_OPERATION("Needs Gateway/Read and Gateway/Write") "}," \
    "\"/video-walls\":{\"post\":" OPENAPI_OPERATION("Needs Gateway/Write, and VIDEO_WALL_SYNC in the license") "}," \
    "\"/openapi\":{\"get\":{\"security\":[],\"responses\":{\"200\":{\"description\":\"This document\"}}}}}," \
    "\"components\":{\"securitySchemes\":{" \
    "\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"name:key\"}," \
    "\"token\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Ignition-API-Token\"}}," \
    "\"responses\":{\"Refused\":{\"description\":\"The code says why\"}}}}"

#endif
