// Swagger UI, from files of this app only.
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true, presets: [SwaggerUIBundle.presets.apis] });
