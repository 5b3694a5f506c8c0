# managed by QmaiLux: changes made here are overwritten
require ["fileinto", "variables"];

if allof (anyof (
  header :contains ["Subject"] ["Łódź \"$${_}{1}\" \\", "łódź \"$${_}{1}\" \\", "ŁÓDŹ \"$${_}{1}\" \\"],
  anyof (address :all :matches ["From"] ["*@sklep.example"], header :matches ["From"] ["*@sklep.example"]))) {
  fileinto "rule-0";
  set "stopped" "yes";
}

if allof (not string :is "${stopped}" "yes", allof (
  anyof (address :all :is ["To", "Cc"] ["x@y.example"], header :is ["To", "Cc"] ["x@y.example"]))) {
  fileinto "rule-1";
  stop;
}
