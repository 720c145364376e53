// Shows the description of the API that this program itself serves.
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/api/openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "list",
    validatorUrl: null,
  });
});
