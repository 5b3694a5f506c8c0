"""Every address of the panel."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from accounts.views import (
    app_passwords,
    autoresponder,
    forwarding,
    home,
    login,
    mail_programs,
    manage,
    second_factor,
)
from domains import views as domain_views
from provisioning import views as server

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", login.PanelLogin.as_view(), name="login"),
    path("login/code/", second_factor.login_code, name="login-code"),
    path("second-factor/", second_factor.second_factor, name="second-factor"),
    path("second-factor/off/", second_factor.second_factor_off, name="second-factor-off"),
    path("logout/", login.PanelLogout.as_view(), name="logout"),
    path("language/", login.language, name="language"),
    path("theme/", login.theme, name="theme"),
    path("password/", home.password, name="password"),
    path("password/strength/", home.password_strength, name="password-strength"),
    path("password/life/", home.password_life, name="password-life"),
    path("app-passwords/", app_passwords.app_passwords, name="app-passwords"),
    path("app-passwords/<int:pk>/revoke/", app_passwords.app_password_revoke, name="app-password-revoke"),
    path("forwarding/", forwarding.forwarding, name="forwarding"),
    path("forwarding/life/", forwarding.forwarding_life, name="forwarding-life"),
    path("autoresponder/", autoresponder.autoresponder, name="autoresponder"),
    path("autoresponder/forget/", autoresponder.autoresponder_forget, name="autoresponder-forget"),
    path("autoresponder/life/", autoresponder.autoresponder_life, name="autoresponder-life"),
    path("mail-programs/", mail_programs.mail_programs, name="mail-programs"),
    path("mail-programs/ca.crt", mail_programs.authority, name="authority"),
    path("domains/", domain_views.domain_list, name="domains"),
    path("domains/add/", domain_views.domain_add, name="domain-add"),
    path("domain/<str:name>/", domain_views.domain_home, name="domain"),
    path("domain/<str:name>/life/", domain_views.life, name="life"),
    path("domain/<str:name>/accounts/add/", manage.account_add, name="account-add"),
    path("domain/<str:name>/accounts/<int:pk>/", manage.account, name="account"),
    path("domain/<str:name>/accounts/<int:pk>/password/", manage.account_password, name="account-password"),
    path("domain/<str:name>/accounts/<int:pk>/lock/", manage.account_lock, name="account-lock"),
    path("domain/<str:name>/accounts/<int:pk>/unlock/", manage.account_unlock, name="account-unlock"),
    path(
        "domain/<str:name>/accounts/<int:pk>/forwarding/",
        manage.account_forwarding,
        name="account-forwarding",
    ),
    path(
        "domain/<str:name>/accounts/<int:pk>/second-factor-off/",
        manage.account_second_factor_off,
        name="account-second-factor-off",
    ),
    path("domain/<str:name>/accounts/<int:pk>/delete/", manage.account_delete, name="account-delete"),
    path("domain/<str:name>/aliases/", domain_views.alias_list, name="aliases"),
    path("domain/<str:name>/aliases/add/", domain_views.alias_add, name="alias-add"),
    path("domain/<str:name>/aliases/<int:pk>/", domain_views.alias, name="alias"),
    path("domain/<str:name>/aliases/<int:pk>/delete/", domain_views.alias_delete, name="alias-delete"),
    path("server/", server.overview, name="server"),
    path("health/", server.health, name="health"),
    # The admin's own doors know neither our lock-out nor our password policy.
    path("admin/login/", login.PanelLogin.as_view(), name="admin-login"),
    path("admin/logout/", login.PanelLogout.as_view(), name="admin-logout"),
    path("admin/password_change/", login.admin_password, name="admin-password"),
    path("admin/", admin.site.urls),
]

handler400 = "qmailux_site.pages.bad_request"
handler403 = "qmailux_site.pages.forbidden"
handler404 = "qmailux_site.pages.not_found"
handler500 = "qmailux_site.pages.failed"
