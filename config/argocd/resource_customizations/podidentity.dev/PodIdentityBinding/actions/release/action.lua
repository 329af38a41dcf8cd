-- Releases the restarts of this generation of this binding, and of no later one.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
local release = tostring(obj.metadata.generation) .. "-" .. (obj.metadata.uid or "")
-- The role of spec.role and spec.roleRef may change without another generation.
if obj.spec.roleArn == nil and obj.status ~= nil and obj.status.declaredRoleArn ~= nil then
  release = release .. "/" .. obj.status.declaredRoleArn
end
obj.metadata.annotations["podidentity.dev/release"] = release
return obj
