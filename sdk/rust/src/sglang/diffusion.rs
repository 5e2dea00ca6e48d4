//! SGLang's diffusion server (`sglang serve`, 0.5.23): what workers for images and videos share.
//!
//! [`launch`] is how the server is started and met, [`server`] what it reports and how the worker then
//! stands in Dynamo, [`settings`] what the operator says. Of a request, [`size`] and [`options`] are
//! checked before anything is done, [`reference`] is the image to begin with, and [`delivery`] the way
//! of what was made to the client. The media themselves stay with the host throughout.

pub mod delivery;
pub mod launch;
pub mod options;
pub mod reference;
pub mod server;
pub mod settings;
pub mod size;

pub use delivery::Delivery;
pub use settings::{Limits, Settings};
pub use size::Size;
