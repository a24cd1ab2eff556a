//! Manifest → what will be sent; pure.
